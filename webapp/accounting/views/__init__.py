"""HTTP: parse, one service or query call, render or redirect."""
