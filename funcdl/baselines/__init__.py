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
    "tfidf_logistic": "funcdl.baselines.tfidf_logistic:TfidfLogistic",
    "autoencoder_score": "funcdl.baselines.autoencoder_score:AutoencoderScore",
    "isolation_forest": "funcdl.baselines.isolation_forest:IsolationForest",
    "pca_reconstruction": "funcdl.baselines.pca_reconstruction:PCAReconstruction",
    "random_walk": "funcdl.baselines.random_walk:RandomWalk",
    "seasonal_naive": "funcdl.baselines.seasonal_naive:SeasonalNaive",
    "popularity": "funcdl.baselines.popularity:Popularity",
}
