"""Arrays of a library whose matrix products are another's: those of a library can't be captured.

`cupy.matmul` refuses to be captured in a CUDA graph. Arrays that are wrapped here do everything
as they did, but multiply by the function that they are given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Array: TypeAlias = Any
Product: TypeAlias = Callable[[Array, Array], Array]
"""``A @ B`` of two arrays of two dimensions."""


class Namespace:
    """A library's array namespace, whose functions take and return wrapped arrays.

    Parameters
    ----------
    xp : module
    product : callable
    """

    def __init__(self, xp: Any, product: Product) -> None:
        self.xp = xp
        self.product = product
        self.__name__ = f"{xp.__name__} (capturable)"

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.xp, name)
        if not callable(found) or isinstance(found, type):
            return found

        def function(*arguments: Any, **options: Any) -> Any:
            plain = [unwrapped(argument) for argument in arguments]
            return self.wrapped(found(*plain, **{k: unwrapped(v) for k, v in options.items()}))

        return function

    def wrapped(self, value: Any) -> Any:
        """Wrap an array, of this library's; anything else as it is."""
        is_array = hasattr(value, "shape") and hasattr(value, "dtype")
        return Capturable(self, value) if is_array else value


class Capturable:
    """An array of a `Namespace`.

    Parameters
    ----------
    namespace : Namespace
    array : array of its library
    """

    __array_ufunc__ = None  # NumPy arrays and numbers leave mixed operations to this class.

    def __init__(self, namespace: Namespace, array: Array) -> None:
        self.namespace = namespace
        self.array = array

    def __array_namespace__(self, api_version: str | None = None) -> Namespace:
        return self.namespace

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def ndim(self) -> int:
        return int(self.array.ndim)

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    @property
    def device(self) -> Any:
        return self.array.device

    @property
    def T(self) -> Capturable:
        return Capturable(self.namespace, self.array.T)

    def __getitem__(self, key: Any) -> Capturable:
        return Capturable(self.namespace, self.array[key])

    def __matmul__(self, other: Any) -> Any:
        return self.namespace.wrapped(self.namespace.product(self.array, unwrapped(other)))

    def __bool__(self) -> bool:
        raise TypeError("a step may not decide by what is in its arrays")


def _operator(name: str) -> Callable[..., Any]:
    def operation(self: Capturable, *others: Any) -> Any:
        result = getattr(self.array, name)(*(unwrapped(other) for other in others))
        return self.namespace.wrapped(result)

    return operation


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Capturable, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(Capturable, f"__r{_name}__", _operator(f"__r{_name}__"))
for _name in ("gt", "ge", "lt", "le", "eq", "ne", "neg", "abs"):
    setattr(Capturable, f"__{_name}__", _operator(f"__{_name}__"))


def unwrapped(value: Any) -> Any:
    """Return the library's array of a wrapped one, within lists and tuples too."""
    if isinstance(value, Capturable):
        return value.array
    if isinstance(value, (list, tuple)):
        return type(value)([unwrapped(one) for one in value])
    return value
