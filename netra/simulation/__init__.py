"""The simulated world: tasks with computable answers, models with known skill, served over real HTTP.

Product code: the demo, the tests and a checkout without provider keys use the same path as production.
Everything it makes is labelled "simulated" wherever it shows.
"""
