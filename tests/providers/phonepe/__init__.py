"""PhonePe: our client and collector."""
