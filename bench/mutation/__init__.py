"""Do the tests notice when the code that moves money is wrong? Small faults are put into it one at a time, and the tests must fail."""
