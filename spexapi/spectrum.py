"""The spectrum under the path that plug-ins import; it lives in `spexapi.fourier.spectrum`."""

from spexapi.fourier.spectrum import Interaction as Interaction
from spexapi.fourier.spectrum import Spectrum as Spectrum
from spexapi.fourier.spectrum import from_moebius as from_moebius
from spexapi.fourier.spectrum import parities as parities
from spexapi.fourier.spectrum import refit as refit
from spexapi.fourier.spectrum import to_moebius as to_moebius
from spexapi.fourier.spectrum import truncate as truncate
