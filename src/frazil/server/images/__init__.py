"""Guest images: recipes, building, importing, keeping."""

from frazil.server.images.build import build_image, cache_key
from frazil.server.images.command import Cancelled
from frazil.server.images.files import ImageFiles, file_sha256, link_image_files, read_image_files
from frazil.server.images.importing import DiskFormat, ImportLimits, import_image
from frazil.server.images.progress import BuildProgress
from frazil.server.images.recipe import Recipe, find_recipes, load_recipe
from frazil.server.images.sandbox import Sandbox
from frazil.server.images.store import Foreign, ImageManifest, ImageStore, Listing, StoredImage

__all__ = [
    "BuildProgress",
    "Cancelled",
    "DiskFormat",
    "Foreign",
    "ImageFiles",
    "ImageManifest",
    "ImageStore",
    "ImportLimits",
    "Listing",
    "Recipe",
    "Sandbox",
    "StoredImage",
    "build_image",
    "cache_key",
    "file_sha256",
    "find_recipes",
    "import_image",
    "link_image_files",
    "load_recipe",
    "read_image_files",
]
