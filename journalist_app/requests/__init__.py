"""Parts that several views share: access check, form context, typed text."""
