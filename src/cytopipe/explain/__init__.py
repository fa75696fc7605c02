"""What a classifier looks at: attribution by captum, drawn and measured."""
