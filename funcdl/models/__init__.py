"""Models: the table of names, one file per family, and the adapters that make each a `Model`.

A name stands for `"module:object"`, so that this table can be read without JAX. The object is a
Linen module; its fields are the model's arguments in a config, and `outputs` is filled by the task.
"""

# Arguments that are filled with how many ids the data have, by their name in `Dataset.ids`.
COUNTS = ("tokens", "items", "users")

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
    "bag_of_embeddings": "funcdl.models.bag_of_embeddings:BagOfEmbeddings",
    "text_cnn": "funcdl.models.text_cnn:TextCNN",
}
