import { debianRecipe } from './debian/recipe.ts';
import type { Recipe } from './recipe.ts';

/** All recipes by the kind that a request names; a new kind does not compile until it stands here. */
export const recipes: Readonly<Record<Recipe['kind'], Recipe>> = { debian: debianRecipe };
