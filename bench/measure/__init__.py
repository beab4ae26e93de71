"""What the measurements share: where they run (stage), what is compared (programs), how time is taken (clock, terminal),
and how it is told (table). Each command of bench/ is one measurement and ends in one table."""
