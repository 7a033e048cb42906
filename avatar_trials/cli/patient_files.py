"""Names of what is written of patients."""

PATIENTS = "patients.nc"
PATIENTS_POPULATION = "agreement_patients_population.csv"
PATIENTS_INDIVIDUAL = "agreement_patients_individual.csv"
