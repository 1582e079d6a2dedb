"""What people ask of this host: checked, admitted, done, answered."""
