"""PhonePe's payment gateway (Standard Checkout V2): money that payers send us. It cannot pay anybody."""
