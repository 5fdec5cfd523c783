"""The providers' own side: Cashfree, PhonePe and Zoho as their documents describe them, for demos and tests.

An application of its own with a database of its own. Nothing else imports it, and it imports nothing of Paydesk.
"""
