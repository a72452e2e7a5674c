"""Statistics of values by seed and stream, which know neither runs nor stores.

Intervals and tests are in `inference`, bootstraps in `resampling`. How numbers are written, in
tables and sentences alike, is in `numbers`.

May import: nothing but the ground.

For others:
    inference: ALPHA, band, compare, CONFIDENCE, Curve, Difference, difference_moments,
        FEWEST_SEEDS, holm, Interval, known_from, Moments, moments, stratified, summarise, Summary
    losses: difference, Outcomes
    numbers: count, duration, estimate, number, p_number, p_text
    power: detectable, POWER, seeds_needed
    resampling: improvement, improvement_interval, interquartile_mean, iqm_interval, profile
"""
