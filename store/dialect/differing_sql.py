"""SQL that each database spells in its own way. Statements use these names, and ask for no database."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary
from sqlalchemy.dialects.sqlite.dml import OnConflictDoNothing, OnConflictDoUpdate
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

# SQLite's integers have 64 bits in every column, those of PostgreSQL only in BIGINT.
WIDE_INTEGER = Integer().with_variant(BigInteger(), "postgresql")
_POSTGRESQL = "postgresql"


class _Differing(FunctionElement[Any]):
    """SQL that SQLite and PostgreSQL spell differently. Each argument replaces one `{}`."""

    inherit_cache = True
    sqlite = postgresql = ""


class _Number(_Differing):
    type = WIDE_INTEGER


class _Condition(_Differing):
    type = Boolean()


class larger(_Number):  # noqa: N801  # a function of SQL
    """The larger of two numbers."""

    sqlite, postgresql = "max({}, {})", "greatest({}, {})"


class random_id(_Number):  # noqa: N801
    """Random id of a new row, as `new_id` returns."""

    sqlite = f"(random() & {2**63 - 1})"
    # Of the digits of a random UUID, the last fifteen have nothing but random bits.
    postgresql = "('x' || right(translate(gen_random_uuid()::text, '-', ''), 15))::bit(60)::bigint"


class joined_bytes(_Differing):  # noqa: N801
    """Bytes of a text in UTF-8, and then other bytes."""

    type = LargeBinary()
    sqlite, postgresql = "CAST({} || {} AS BLOB)", "convert_to({}, 'UTF8') || {}"


class summed(_Number):  # noqa: N801
    """Sum of a column. Without rows, the sum is NULL in SQLite and 0 in PostgreSQL."""

    # A sum has more digits in PostgreSQL, and an attacker may write the largest number into two rows.
    sqlite, postgresql = "sum({})", f"least(coalesce(sum({{}}), 0), {2**63 - 1})::bigint"


class summed_of_any(_Number):  # noqa: N801
    """Sum of a column in which an attacker may have written values of any type and size."""

    sqlite, postgresql = "CAST(total({}) AS INTEGER)", summed.postgresql


class bounded(_Number):  # noqa: N801
    """A number within the limits of its column. SQLite's columns have no limits."""

    sqlite, postgresql = "{}", f"greatest({-(2**62)}, least({2**62}, {{}}))"


class is_blob(_Condition):  # noqa: N801
    """True if the value is bytes. In PostgreSQL this is always true: a column has values of one type only."""

    sqlite, postgresql = "typeof({}) = 'blob'", "true"


class is_text(_Condition):  # noqa: N801
    """True if the value is a text."""

    sqlite, postgresql = "typeof({}) = 'text'", "true"


class is_integer(_Condition):  # noqa: N801
    """True if the value is a whole number."""

    sqlite, postgresql = "typeof({}) = 'integer'", "true"


class is_day(_Condition):  # noqa: N801
    """True if the value is a day that Python can read."""

    sqlite = "(typeof({0}) = 'text' AND date({0}) IS {0})"
    postgresql = "{} BETWEEN '0001-01-01' AND '9999-12-31'"


class is_word(_Condition):  # noqa: N801
    """True if the value is a text in printable ASCII."""

    sqlite, postgresql = "(typeof({0}) = 'text' AND {0} NOT GLOB '*[^ -~]*')", "{} !~ '[^ -~]'"


@compiles(_Differing)
def _write(element: _Differing, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401  # SQLAlchemy's shape
    pattern = element.postgresql if compiler.dialect.name == _POSTGRESQL else element.sqlite
    return pattern.format(*[compiler.process(each, **kw) for each in element.clauses])


@compiles(OnConflictDoUpdate, _POSTGRESQL)
def _on_conflict_do_update(clause: Any, compiler: Any, **kw: Any) -> str:  # noqa: ANN401  # SQLAlchemy's shape
    clause.constraint_target = None  # the only difference between the clauses of both databases
    return str(compiler.visit_on_conflict_do_update(clause, **kw))


@compiles(OnConflictDoNothing, _POSTGRESQL)
def _on_conflict_do_nothing(clause: Any, compiler: Any, **kw: Any) -> str:  # noqa: ANN401  # SQLAlchemy's shape
    clause.constraint_target = None
    return str(compiler.visit_on_conflict_do_nothing(clause, **kw))
