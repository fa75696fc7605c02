"""Resolvers by topic; importing this package registers all of them."""

from cytopipe.dossier.resolvers import data as data
from cytopipe.dossier.resolvers import evaluation as evaluation
from cytopipe.dossier.resolvers import models as models
from cytopipe.dossier.resolvers import optional as optional
from cytopipe.dossier.resolvers import provenance as provenance
from cytopipe.dossier.resolvers import quality as quality
from cytopipe.dossier.resolvers.registry import RESOLVERS as RESOLVERS
from cytopipe.dossier.resolvers.registry import Resolver as Resolver
