"""From labelled results to verdicts; judges any theta, knows nothing of jax or of machine learning."""
