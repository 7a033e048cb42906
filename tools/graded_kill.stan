// graded_kill, written again from the equations of models/graded_kill.md in their natural coordinates.
// It shares no line with the package: no slopes, no follow-up, no Jacobians, Stan's own Student t.
functions {
  // log volume of a tumour `day` days after treatment start
  real curve(real day, real log_start, real growth, real kill, real spread, real deceleration) {
    real m = growth * day;
    if (kill > 0) m -= kill / spread * log1p(spread * day);
    return log_start + (m > 0 ? log1p(deceleration * m) / deceleration : m);
  }

  // readings of one mouse: random walk seen through a caliper, surprises of Student's t with 4 degrees of freedom
  real mouse_lpdf(vector log_volume, vector day, array[] int below, real log_start, real growth, real kill,
                  real spread, real deceleration, real delta, real sigma_p, real weekly, real floor_mm3) {
    real density = 0;
    real walked = 0;  // what is foreseen of the walk, and how wide
    real unknown = 0;
    real before = 0;
    for (i in 1 : num_elements(day)) {
      real expected = curve(day[i], log_start, growth, kill, spread, deceleration);
      real diameter = cbrt(6 * (exp(expected) + floor_mm3) / pi());
      real caliper = 5 * square(delta / diameter) + square(sigma_p);
      unknown += square(weekly) * (day[i] - before) / 7;
      before = day[i];
      real scale = sqrt(unknown + caliper);
      if (below[i]) {
        density += student_t_lcdf(log_volume[i] | 4, expected + walked, scale);
      } else {
        density += student_t_lpdf(log_volume[i] | 4, expected + walked, scale);
        walked += unknown / (unknown + caliper) * (log_volume[i] - expected - walked);
        unknown = unknown * caliper / (unknown + caliper);
      }
    }
    return density;
  }
}
data {
  int n_avatar, n_drug, n_mouse, n_untreated, n_visit, n_combination;  // untreated mice come first
  array[n_mouse] int avatar;
  array[n_mouse, n_drug] int given;
  array[n_mouse] int combination;  // 0: no combination
  array[n_mouse] int first, last;  // visits of a mouse
  vector[n_visit] day, log_volume;
  array[n_visit] int below;
  vector[n_avatar] biomarker;
  real floor_mm3, growth_mouse_sd, spread_mouse_sd, eta_combination_sd;
  // priors: mean and SD (normal), median and log-SD (lognormal), a and b (beta)
  array[2] real p_mu_r, p_omega_r, p_mu_slowing, p_omega_slowing, p_omega_slowing_of_drug, p_slowing_overlap, p_mu_k, p_omega_k,
    p_omega_k_of_drug, p_h2, p_sigma_k, p_beta_growth, p_biomarker_kill, p_mu_spread, p_omega_spread,
    p_sigma_spread_combination, p_eta, p_cross_resistance, p_mu_v, p_sigma_v, p_deceleration, p_delta, p_sigma_p,
    p_wander, p_omega_wander, p_omega_deceleration;
}
parameters {
  real<offset=p_mu_r[1], multiplier=p_mu_r[2]> mu_r;
  real<lower=0> omega_r, omega_slowing, omega_k, sigma_k, omega_spread, sigma_spread_combination, sigma_v,
    deceleration, delta, sigma_p, wander, omega_wander, omega_deceleration;
  vector<offset=p_mu_slowing[1], multiplier=p_mu_slowing[2]>[n_drug] mu_slowing;
  vector<offset=p_mu_k[1], multiplier=p_mu_k[2]>[n_drug] mu_k;
  vector<offset=p_mu_spread[1], multiplier=p_mu_spread[2]>[n_drug] mu_spread;
  vector<lower=0>[n_drug] omega_k_of_drug, omega_slowing_of_drug;
  vector[n_drug] biomarker_kill;
  real<lower=0, upper=1> slowing_overlap, h2, cross_resistance;
  real beta_growth, eta;
  real<offset=p_mu_v[1], multiplier=p_mu_v[2]> mu_v;
  vector[n_avatar] growth_deviate, sensitivity, wander_deviate, deceleration_deviate;
  array[n_avatar] vector[n_drug] slowing_deviate, kill_deviate, spread_deviate;
  vector[n_combination] eta_deviate;
  vector[n_mouse] growth_mouse_deviate, start_deviate;
  vector<offset=-3>[n_mouse - n_untreated] log_kill_mouse;
  vector[n_mouse - n_untreated] spread_mouse_deviate;
}
transformed parameters {
  vector[n_avatar] log_r = mu_r + omega_r * growth_deviate;
  vector[n_mouse] log_r_mouse = log_r[avatar] + growth_mouse_sd * growth_mouse_deviate;
  vector[n_mouse] log_start = mu_v + sigma_v * start_deviate;
  vector[n_combination] eta_combination = eta + eta_combination_sd * eta_deviate;
  vector[n_avatar] wander_avatar = wander * exp(omega_wander * wander_deviate);
  vector[n_avatar] deceleration_avatar = deceleration * exp(omega_deceleration * deceleration_deviate);
  array[n_avatar] vector[n_drug] slowing, log_kill, log_spread;
  vector[n_mouse - n_untreated] log_growth_mouse, log_spread_mouse, kill_level;
  for (i in 1 : n_avatar) {
    vector[n_drug] omega = omega_k * omega_k_of_drug;
    slowing[i] = exp(mu_slowing + omega_slowing * omega_slowing_of_drug .* slowing_deviate[i]);
    log_kill[i] = mu_k + biomarker[i] * biomarker_kill + omega * sqrt(h2) * sensitivity[i]
                  + omega .* kill_deviate[i] * sqrt(1 - h2);
    log_spread[i] = mu_spread + omega_spread * spread_deviate[i];
  }
  for (t in 1 : n_mouse - n_untreated) {
    int j = n_untreated + t;
    int i = avatar[j];
    int n_given = sum(given[j]);
    array[n_given] int drugs;
    int found = 0;
    for (d in 1 : n_drug) {
      if (given[j, d]) {
        found += 1;
        drugs[found] = d;
      }
    }
    vector[n_given] s = slowing[i][drugs], k = log_kill[i][drugs], l = log_spread[i][drugs];
    log_growth_mouse[t] = log_r_mouse[j] - max(s) - slowing_overlap * (sum(s) - max(s));
    if (n_given == 1) {
      kill_level[t] = k[1];
      log_spread_mouse[t] = l[1] + spread_mouse_sd * spread_mouse_deviate[t];
    } else {
      real p = exp(eta_combination[combination[j]]);
      vector[n_given] variance = exp(k + l);
      kill_level[t] = log_sum_exp(p * k) / p;
      log_spread_mouse[t] = log((1 - cross_resistance) * sum(variance)
                                + cross_resistance * square(sum(sqrt(variance))))
                            - kill_level[t] + sigma_spread_combination * spread_mouse_deviate[t];
    }
  }
}
model {
  mu_r ~ normal(p_mu_r[1], p_mu_r[2]);
  omega_r ~ lognormal(log(p_omega_r[1]), p_omega_r[2]);
  mu_slowing ~ normal(p_mu_slowing[1], p_mu_slowing[2]);
  omega_slowing ~ lognormal(log(p_omega_slowing[1]), p_omega_slowing[2]);
  omega_slowing_of_drug ~ lognormal(log(p_omega_slowing_of_drug[1]), p_omega_slowing_of_drug[2]);
  slowing_overlap ~ beta(p_slowing_overlap[1], p_slowing_overlap[2]);
  mu_k ~ normal(p_mu_k[1], p_mu_k[2]);
  omega_k ~ lognormal(log(p_omega_k[1]), p_omega_k[2]);
  omega_k_of_drug ~ lognormal(log(p_omega_k_of_drug[1]), p_omega_k_of_drug[2]);
  h2 ~ beta(p_h2[1], p_h2[2]);
  sigma_k ~ lognormal(log(p_sigma_k[1]), p_sigma_k[2]);
  beta_growth ~ normal(p_beta_growth[1], p_beta_growth[2]);
  biomarker_kill ~ normal(p_biomarker_kill[1], p_biomarker_kill[2]);
  mu_spread ~ normal(p_mu_spread[1], p_mu_spread[2]);
  omega_spread ~ lognormal(log(p_omega_spread[1]), p_omega_spread[2]);
  sigma_spread_combination ~ lognormal(log(p_sigma_spread_combination[1]), p_sigma_spread_combination[2]);
  eta ~ normal(p_eta[1], p_eta[2]);
  cross_resistance ~ beta(p_cross_resistance[1], p_cross_resistance[2]);
  mu_v ~ normal(p_mu_v[1], p_mu_v[2]);
  sigma_v ~ lognormal(log(p_sigma_v[1]), p_sigma_v[2]);
  deceleration ~ lognormal(log(p_deceleration[1]), p_deceleration[2]);
  delta ~ lognormal(log(p_delta[1]), p_delta[2]);
  sigma_p ~ lognormal(log(p_sigma_p[1]), p_sigma_p[2]);
  wander ~ lognormal(log(p_wander[1]), p_wander[2]);
  omega_wander ~ lognormal(log(p_omega_wander[1]), p_omega_wander[2]);
  omega_deceleration ~ lognormal(log(p_omega_deceleration[1]), p_omega_deceleration[2]);

  growth_deviate ~ std_normal();
  sensitivity ~ std_normal();
  wander_deviate ~ std_normal();
  deceleration_deviate ~ std_normal();
  for (i in 1 : n_avatar) {
    slowing_deviate[i] ~ std_normal();
    kill_deviate[i] ~ std_normal();
    spread_deviate[i] ~ std_normal();
  }
  eta_deviate ~ std_normal();
  growth_mouse_deviate ~ std_normal();
  start_deviate ~ std_normal();
  spread_mouse_deviate ~ std_normal();
  for (j in 1 : n_mouse) {
    int t = j - n_untreated;
    real growth = t > 0 ? exp(log_growth_mouse[t]) : exp(log_r_mouse[j]);
    real kill = t > 0 ? exp(log_kill_mouse[t]) : 0;
    real spread = t > 0 ? exp(log_spread_mouse[t]) : 1;
    if (t > 0) log_kill_mouse[t] ~ normal(kill_level[t] + beta_growth * (log_r_mouse[j] - mu_r), sigma_k);
    log_volume[first[j] : last[j]] ~ mouse(day[first[j] : last[j]], below[first[j] : last[j]], log_start[j], growth,
                                           kill, spread, deceleration_avatar[avatar[j]], delta, sigma_p,
                                           wander_avatar[avatar[j]], floor_mm3);
  }
}
