"""The data, out: what is held and can be proved, in the words of Tushare's protocol."""
