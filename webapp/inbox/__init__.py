"""What payment providers send us: verified, stored once, answered at once, looked at by a job."""
