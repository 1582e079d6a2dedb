"""What the switches should do: values in, values out. Nothing here does I/O."""
