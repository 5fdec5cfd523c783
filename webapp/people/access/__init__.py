"""How a person proves who they are, beyond the password: links by mail, second factors, devices, API tokens."""
