"""The programs: each turns its own records into payouts."""
