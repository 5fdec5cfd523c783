"""Pure building blocks that every room shares: money, time, ids, errors, labels. No Flask, no database."""
