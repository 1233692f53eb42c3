"""Settings of the demo site, all of them from the environment or a `.env` file; `.env.template` explains each.

With nothing set, this is a safe site for one machine: DEBUG off, only localhost answered, a secret key of its own.
"""

from pathlib import Path

import environ
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

from yredis_project.env import admin_theme, database, kept_secret_key, kept_token_key, segment_storage, yredis

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(BASE_DIR / ".env")  # what the environment has already, wins

DATA_DIR = Path(env.str("DATA_DIR", str(BASE_DIR / ".data"))).resolve()

SECRET_KEY = env.str("SECRET_KEY", "") or kept_secret_key(DATA_DIR / "secret_key")
DEBUG = env.bool("DEBUG", False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "rooms",
    "persistence",
    "authbridge",
    *admin_theme(env),
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "yredis_project",  # last: its admin module dresses what the others have registered
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "yredis_project.urls"
ASGI_APPLICATION = "yredis_project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": database(env.db("DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "index"
LOGOUT_REDIRECT_URL = "index"

LANGUAGE_CODE = "en-us"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "yredis_project" / "locale"]  # of the templates too, which are in no app
TIME_ZONE = env.str("TIME_ZONE", "UTC")
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise warns where it is missing
WHITENOISE_USE_FINDERS = True  # no collectstatic between `git clone` and a page

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "yredis": segment_storage(env, DATA_DIR / "segments"),
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s [%(process)d] %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {"daphne": {"level": "WARNING"}, "httpx": {"level": "WARNING"}},  # not a word for each request
}

UNFOLD = {
    "SITE_TITLE": "django-yredis",
    "SITE_HEADER": "django-yredis",
    "SITE_SUBHEADER": _("Demo"),
    "SITE_SYMBOL": "edit_note",
    "STYLES": [lambda request: static("yredis_rooms/unfold.css")],
    "SIDEBAR": {"navigation": "yredis_project.sidebar.navigation"},
}

YREDIS = yredis(
    env,
    {
        "AUTHORIZE": "authbridge.authorizer.authorize",
        "PERMISSION": "yredis_project.access.by_name",
        "JWT_KEYS": [kept_token_key(DATA_DIR / "token_key.pem")],
        "JWT_ISSUER": "django-yredis-demo",
        "JWT_AUDIENCE": "django-yredis-demo",
        "JWT_USER_FIELD": "pk",
        "STORE": "persistence.stores.database.DatabaseStore",
        "STORAGE": "yredis",
    },
)
