"""The arm's parts that the controller is made of."""
