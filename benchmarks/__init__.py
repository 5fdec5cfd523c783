"""How fast Paydesk is, always beside what the machine could do at all: `./paydesk bench`."""
