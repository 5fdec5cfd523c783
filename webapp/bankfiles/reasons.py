"""The reason codes of banks in words: ISO 20022 external status reasons, and returns of the ACH network. Pure."""

from __future__ import annotations

ISO = {
    "AB05": "The bank of the payee did not answer in time.",
    "AB08": "The bank of the payee is not reachable.",
    "AC01": "The account number is wrong.",
    "AC02": "The account of the payer is wrong.",
    "AC03": "The account of the payee is wrong.",
    "AC04": "The account is closed.",
    "AC06": "The account is blocked.",
    "AC07": "The account of the payee is closed.",
    "AC13": "The kind of account is wrong.",
    "AC14": "The account of the payee does not take this kind of payment.",
    "AG01": "The account does not allow this kind of payment.",
    "AG02": "The bank does not know this kind of payment.",
    "AG03": "This kind of payment is not supported.",
    "AM02": "The amount is larger than allowed.",
    "AM03": "The currency is not supported.",
    "AM04": "There is not enough money in the account.",
    "AM05": "The bank takes it for a duplicate.",
    "AM09": "The amount is wrong.",
    "AM10": "The control sum is wrong.",
    "AM14": "The amount is larger than agreed.",
    "AM18": "The number of payments is wrong.",
    "BE01": "The name does not fit the account.",
    "BE04": "The address of the payee is missing or wrong.",
    "BE06": "The payee is not known at this account.",
    "BE16": "The id of the payer is wrong.",
    "CH03": "The day of execution is too far away.",
    "CH04": "The day of execution lies in the past.",
    "CUST": "The payer asked for it.",
    "DT01": "The day is wrong.",
    "DU01": "The message id was used before.",
    "DU02": "The payment group was used before.",
    "DU03": "The payment was sent before.",
    "DUPL": "The bank takes it for a duplicate.",
    "FF01": "The file is not in the right form.",
    "FOCR": "It was returned after a request to cancel it.",
    "MD07": "The payee has died.",
    "MS02": "The payee refused it, without a reason.",
    "MS03": "The bank refused it, without a reason.",
    "NARR": "See the bank's own words.",
    "RC01": "The code of the bank is wrong.",
    "RC07": "The code of the payee's bank is wrong.",
    "RF01": "The reference is not unique.",
    "RR03": "The name or address of the payee is missing.",
    "RR04": "It was refused for legal reasons.",
    "TM01": "It came after the bank's cut-off.",
    "UPAY": "The payment is not due.",
}
ACH = {
    "R01": "There is not enough money in the account.",
    "R02": "The account is closed.",
    "R03": "There is no such account, or it is somebody else's.",
    "R04": "The account number is not valid.",
    "R06": "Your own bank asked for it back.",
    "R09": "The money in the account is not available yet.",
    "R10": "The payee says that it was not authorised.",
    "R12": "The branch was sold to another bank.",
    "R13": "The routing number is not valid.",
    "R14": "The payee's representative has died, or cannot act.",
    "R15": "The payee, or the account's holder, has died.",
    "R16": "The account is frozen.",
    "R17": "The bank could not process it.",
    "R20": "The account does not take such payments.",
    "R23": "The payee refused the credit.",
    "R24": "The bank takes it for a duplicate.",
    "R29": "The company says that it was not authorised.",
    "R31": "The bank returns it with your bank's consent.",
    "R61": "It was returned to the wrong bank.",
    "R68": "The return came too late.",
}
ACH_CHANGES = {
    "C01": "the account number",
    "C02": "the routing number",
    "C03": "the routing number and the account number",
    "C04": "the name",
    "C05": "the kind of account (checking or savings)",
    "C06": "the account number and the kind of account",
    "C07": "the routing number, the account number and the kind of account",
    "C09": "the payee's own number",
}


def iso_words(code: str, said: str = "") -> str:
    """An ISO reason in words; the bank's own words where it has some."""
    words = ISO.get(code, f"The bank gives the reason {code}." if code else "The bank gives no reason.")
    return f"{words} The bank says: {said}" if said else words


def ach_words(code: str) -> str:
    """A return reason of the ACH network in words."""
    return ACH.get(code, f"The bank gives the reason {code}.")


def change_words(code: str) -> str:
    """A notification of change in words; the corrected number itself is not repeated."""
    what = ACH_CHANGES.get(code, "the payment details")
    return f"It was paid, but {what} should be corrected ({code}). Ask the payee for the new details."
