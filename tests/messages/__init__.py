"""The catalogues of what people read: made from the code by `make messages`, and checked by tests."""
