"""What people are told when payments stop by themselves, and how they let them go on."""
