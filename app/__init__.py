"""The controller: takes what the hosts report, keeps what people want, and makes the switches match."""

__version__ = "0.1.0"
