"""Pages of the demand side, a module each: find with permission, parse, call, render."""
