"""An organisation's accounts at its payment providers: keys, environment, test."""
