"""Work done outside requests: thin functions that call one service each."""
