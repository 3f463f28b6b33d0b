"""Models: the table of names, one file per family, and the adapters that make each a `Model`.

A name stands for `"module:object"`, so that this table can be read without JAX. The object is a
Linen module; its fields are the model's arguments in a config, and `outputs` is filled by the task.
"""

# Arguments that are filled with how many ids the data have, by their name in `Dataset.ids`.
COUNTS = ("tokens", "items", "users")

# Models of anomalies: they give each example a score, where others have outputs as their task says.
SCORES = ("autoencoder", "vae", "deep_svdd")

# Recommenders: they read who chose what (`history` and `user`), and score every item.
RECOMMENDERS = ("matrix_factorisation", "ncf", "two_tower", "sasrec")

MODELS: dict[str, str] = {
    "logistic": "funcdl.models.logistic:Logistic",
    "mlp": "funcdl.models.mlp:MLP",
    "residual_mlp": "funcdl.models.residual_mlp:ResidualMLP",
    "ft_transformer": "funcdl.models.ft_transformer:FTTransformer",
    "cnn": "funcdl.models.cnn:CNN",
    "resnet": "funcdl.models.resnet:ResNet",
    "lstm": "funcdl.models.recurrent:LSTM",
    "gru": "funcdl.models.recurrent:GRU",
    "transformer": "funcdl.models.transformer:Transformer",
    "vit": "funcdl.models.vit:ViT",
    "bag_of_embeddings": "funcdl.models.bag_of_embeddings:BagOfEmbeddings",
    "text_cnn": "funcdl.models.text_cnn:TextCNN",
    "autoencoder": "funcdl.models.autoencoder:Autoencoder",
    "vae": "funcdl.models.vae:VAE",
    "deep_svdd": "funcdl.models.deep_svdd:DeepSVDD",
    "matrix_factorisation": "funcdl.models.matrix_factorisation:MatrixFactorisation",
    "ncf": "funcdl.models.ncf:NCF",
    "two_tower": "funcdl.models.two_tower:TwoTower",
    "sasrec": "funcdl.models.sasrec:SASRec",
    "nbeats": "funcdl.models.nbeats:NBeats",
    "tcn": "funcdl.models.tcn:TCN",
    "patch_transformer": "funcdl.models.patch_transformer:PatchTransformer",
}
