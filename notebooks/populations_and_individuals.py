# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Populations well, individuals poorly
#
# Xenografts of one mouse per patient and arm are said to predict how *arms* of a clinical trial rank, and to fail at
# saying which *patient* responds. Both are true, and the first does not imply the second. This notebook shows why,
# with patients made up so that we know how much each avatar has in common with its own patient.
#
# **The step from avatar to patient is assumed throughout**: no volume of a mouse tells of it.

# %%
import matplotlib.pyplot as plt
import numpy as np

import avatar_trials as at

population = at.load_population("pdxe_cm")
scenario = at.load_design("columbus_melanoma").patients
arms = at.load_design("melanoma_all_arms")
design = arms.model_copy(
    update={
        "replicates": 60,
        "arms": arms.arms[:10],
        "cohort": arms.cohort.model_copy(update={"n_avatars": 100}),
    }
)
rules = {"rule": design.endpoints.mrecist_rule, "doubling": design.endpoints.doubling}
print(f"{len(design.arms)} arms, 100 melanoma avatars in each of {design.replicates} trials")

# %% [markdown]
# ## One number decides about individuals
#
# *Latent correlation* says how alike an avatar and its patient are beyond being two melanomas: 0, and the avatar
# could be anybody's; 1, and the patient's tumour grows and dies exactly as the avatar's does. Mice, trial and drugs
# stay the same while it goes up.

# %%
cohort = at.cohort_for(population, design)
trial = at.emulate_trials(cohort, design)
correlations = (0.0, 0.3, 0.6, 0.9)
of_populations, of_individuals, patients_of = {}, {}, {}
for rho in correlations:
    assumed = design.model_copy(update={"patients": scenario.at(latent_correlation=rho)})
    patients_of[rho] = at.patients_behind(population, cohort, assumed)
    of_populations[rho], of_individuals[rho] = at.agree_with_patients(trial, patients_of[rho], **rules)


# %%
def over_arms(table, measure):
    """The row of a measure over all arms."""
    return table[(table["arm"] == "all") & (table["measure"] == measure)].iloc[0]


print("latent correlation   arms rank (Spearman of ORR)   patients told apart (AUC)")
for rho in correlations:
    arm_rank = over_arms(of_populations[rho], "Spearman_ORR")["emulated"]
    print(f"{rho:18.1f}   {arm_rank:27.2f}   {over_arms(of_individuals[rho], 'AUC')['value']:25.2f}")

# %% [markdown]
# ## The same trial, seen twice
#
# Left, the arm is the unit: response of mice against response of patients, with avatars that have **nothing** in
# common with their own patients. The arms line up, because a drug that shrinks many melanomas in mice shrinks many in
# people: to rank arms nobody needs to know anybody. Right, the patient is the unit: how well one mouse tells
# responders from others within an arm, from a coin's toss at 0.5 upwards.
#
# The dashed line is the yardstick that a study can measure, and mostly a ceiling: a *second mouse of the same
# avatar*. Two mice of one tumour differ in growth and in luck, so even they foretell one another only so well. A
# patient with several lesions is read with less noise than one mouse, and may be foretold a little better than that,
# if the avatar is very like.

# %%
nobody = of_populations[0.0]
by_arm = nobody[(nobody["measure"] == "ORR") & ~nobody["arm"].str.startswith("all")]
auc = [over_arms(of_individuals[rho], "AUC") for rho in correlations]

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.plot([0, 45], [0, 45], color="#999999", linewidth=0.8)
left.scatter(100 * by_arm["emulated"], 100 * by_arm["observed"], color="#332288")
left.set(xlabel="ORR of mice, %", ylabel="ORR of patients, %", title="Arms, latent correlation 0")

right.errorbar(
    correlations,
    [row["value"] for row in auc],
    yerr=np.abs(np.array([[row["value"] - row["lower"], row["upper"] - row["value"]] for row in auc])).T,
    fmt="o-",
    color="#332288",
    label="one mouse foretells its patient",
)
right.axhline(auc[0]["ceiling"], color="#cc6677", linestyle="--", label="ceiling: its avatar's second mouse")
right.axhline(0.5, color="#999999", label="reference: knows the arm alone")
right.set(
    xlabel="latent correlation of avatar and patient (assumed)", ylabel="AUC within arms", ylim=(0.4, 1)
)
right.set_title("Individuals")
right.legend(fontsize=8, loc="lower right")
plt.show()

# %% [markdown]
# The dots on the left lie off the line of identity: mRECIST of a mouse is laxer than RECIST of a patient (a fall by
# half in volume is a fifth in diameter), and lesions of patients keep stroma. Ranks survive that, rates do not.
#
# ## A trap: pooling
#
# Throw all pairs of all arms into one table, and an arm where most respond beside one where nobody does looks like
# skill with individuals. It is the drug's doing. Compare the two rows at correlation 0, where there is no skill to be
# had:

# %%
nothing = of_individuals[0.0]
shown = nothing[nothing["arm"].str.startswith("all") & nothing["measure"].isin(["AUC", "Cohen_kappa"])]
print(shown[["arm", "measure", "value", "null_reference", "ceiling"]].round(2).to_string(index=False))

# %% [markdown]
# So a study that reports "avatars and patients agreed in 80 % of cases" has said little. Ask which arm, against which
# guess, and how far a second mouse would have got. On the command line: `avatar-trials patients columbus_melanoma
# --population pdxe_cm`, which writes the two tables as two files on purpose.
