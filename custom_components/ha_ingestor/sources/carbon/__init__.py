"""How much carbon dioxide a kilowatt-hour of the grid stands for."""
