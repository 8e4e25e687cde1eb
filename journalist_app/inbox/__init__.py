"""Facts about one mailbox for the inbox: summary, deadlines, option lists."""
