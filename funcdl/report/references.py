"""The works that the methods paragraph cites, numbered as they are met."""

from __future__ import annotations

REFERENCES = {
    "components": "S. R. Searle, G. Casella, C. E. McCulloch, Variance Components, Wiley (1992)",
    "crossed": "A. B. Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1 (2007) 386–411",
    "holm": "S. Holm, A simple sequentially rejective multiple test procedure, "
    "Scandinavian Journal of Statistics 6 (1979) 65–70",
    "tost": "D. J. Schuirmann, A comparison of the two one-sided tests procedure and the power "
    "approach, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657–680",
    "splits": "C. Nadeau, Y. Bengio, Inference for the generalization error, "
    "Machine Learning 52 (2003) 239–281",
    "welch": "B. L. Welch, The generalization of 'Student's' problem when several different population "
    "variances are involved, Biometrika 34 (1947) 28–35",
    "wilcoxon": "F. Wilcoxon, Individual comparisons by ranking methods, Biometrics Bulletin 1 (1945) 80–83",
    "friedman": "M. Friedman, The use of ranks to avoid the assumption of normality implicit in the "
    "analysis of variance, Journal of the American Statistical Association 32 (1937) 675–701",
    "davenport": "R. L. Iman, J. M. Davenport, Approximations of the critical region of the Friedman "
    "statistic, Communications in Statistics A 9 (1980) 571–595",
    "halving": "K. Jamieson, A. Talwalkar, Non-stochastic best arm identification and hyperparameter "
    "optimization, AISTATS (2016)",
}


class Cited:
    """A list of references in the making.

    >>> cited = Cited()
    >>> cited("holm"), cited("tost"), cited("holm"), len(cited.listed())
    ('[1]', '[2]', '[1]', 2)
    """

    def __init__(self) -> None:
        self._names: list[str] = []

    def __call__(self, name: str) -> str:
        """The mark for a work, which puts it on the list."""
        if name not in self._names:
            self._names.append(name)
        return f"[{self._names.index(name) + 1}]"

    def listed(self) -> list[str]:
        """The works met so far, with their numbers."""
        return [f"[{i}] {REFERENCES[name]}." for i, name in enumerate(self._names, 1)]
