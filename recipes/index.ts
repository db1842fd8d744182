import { debianRecipe } from './debian/recipe.ts';
import type { Recipes } from './recipe.ts';
import { scriptRecipe } from './script/recipe.ts';

/** All recipes by the kind that a request names; a new kind does not compile until it stands here. */
export const recipes: Recipes = { debian: debianRecipe, script: scriptRecipe };
