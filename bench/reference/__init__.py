"""The programs the service is measured against: (a) `obvious`, (b) `asynchronous`, (c) `floor`."""
