"""What SQL calls: one module per topic, one function per SQL function, same names and same order of arguments."""
