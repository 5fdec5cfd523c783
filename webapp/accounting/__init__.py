"""The organisation's books elsewhere: approved payouts become bills there, paid ones are paid there too."""
