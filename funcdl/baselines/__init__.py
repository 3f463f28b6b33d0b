"""Baselines: rows of the table that need no gradient, fitted by scikit-learn."""

BASELINES = {
    "majority": "sklearn.dummy:DummyClassifier",
    "logistic_regression": "sklearn.linear_model:LogisticRegression",
    "nearest_neighbours": "sklearn.neighbors:KNeighborsClassifier",
    "random_forest": "sklearn.ensemble:RandomForestClassifier",
    "gradient_boosting": "sklearn.ensemble:HistGradientBoostingClassifier",
    "mean": "sklearn.dummy:DummyRegressor",
    "ridge": "sklearn.linear_model:Ridge",
    "nearest_neighbours_regressor": "sklearn.neighbors:KNeighborsRegressor",
    "random_forest_regressor": "sklearn.ensemble:RandomForestRegressor",
    "gradient_boosting_regressor": "sklearn.ensemble:HistGradientBoostingRegressor",
}
