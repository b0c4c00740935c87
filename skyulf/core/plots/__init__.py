"""Pictures of evaluations. A package of its own: children that wait for a job do not hold what draws."""
