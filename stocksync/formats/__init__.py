"""Formats of dates by language, as FORMAT_MODULE_PATH asks for them."""
