"""Pure mathematics of a treated tumour, written once over an array namespace: NumPy or pytensor.tensor."""
