"""Bank files: payouts wait, leave together in a file that people hand over to the bank, and hear of it by files."""
