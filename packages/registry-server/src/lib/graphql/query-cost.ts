import {
  GraphQLError,
  type ASTVisitor,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type SelectionSetNode,
  type ValidationContext,
} from "graphql";

/** Fields that a query may make the server answer, lists counted by what they may hold. */
export const COST_MAX = 20_000;

/** Fields within fields within fields that a query may have. */
export const DEPTH_MAX = 12;

/** Longest list that can be asked for. */
export const FIRST_MAX = 100;

const DEFAULT_FIRST = 20;

// Fields that answer a list of objects, and how long it is where the query does not say.
const LISTS: Readonly<Record<string, number>> = {
  packages: DEFAULT_FIRST,
  versions: DEFAULT_FIRST,
  artifacts: 4,
  dependencies: DEFAULT_FIRST,
  hosts: 4,
};

type Fragments = ReadonlyMap<string, FragmentDefinitionNode>;

/** What a selection costs and how deep it is. */
interface Extent {
  readonly cost: number;
  readonly depth: number;
}

function fragmentsOf(document: DocumentNode): Fragments {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === "FragmentDefinition") fragments.set(definition.name.value, definition);
  }
  return fragments;
}

function lengthOf(field: FieldNode): number {
  const usual = LISTS[field.name.value];
  if (usual === undefined) return 1;
  const first = field.arguments?.find(({ name }) => name.value === "first")?.value;
  if (first === undefined) return usual;
  // What a variable will say is not known yet.
  return first.kind === "IntValue" ? Math.max(1, Number(first.value)) : FIRST_MAX;
}

/** Measures each fragment once, however often it is spread. */
class Measure {
  readonly #fragments: Fragments;
  readonly #known = new Map<string, Extent>();

  constructor(document: DocumentNode) {
    this.#fragments = fragmentsOf(document);
  }

  of(set: SelectionSetNode | undefined): Extent {
    let [cost, depth] = [0, 0];
    for (const selection of set?.selections ?? []) {
      const found =
        selection.kind === "Field"
          ? this.#field(selection)
          : selection.kind === "InlineFragment"
            ? this.of(selection.selectionSet)
            : this.#fragment(selection.name.value);
      cost += found.cost;
      depth = Math.max(depth, found.depth);
    }
    return { cost, depth };
  }

  #field(field: FieldNode): Extent {
    // Introspection is of the schema, whose size is known.
    if (field.name.value.startsWith("__")) return { cost: 1, depth: 1 };
    const within = this.of(field.selectionSet);
    return { cost: 1 + lengthOf(field) * within.cost, depth: within.depth + 1 };
  }

  #fragment(name: string): Extent {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    // A fragment within itself is refused by another rule; here it must only come to an end.
    this.#known.set(name, { cost: 0, depth: 0 });
    const found = this.of(this.#fragments.get(name)?.selectionSet);
    this.#known.set(name, found);
    return found;
  }
}

/** A validation rule: refuses operations that cost more than {@link COST_MAX} or are deeper than {@link DEPTH_MAX}. */
export function limitCost(context: ValidationContext): ASTVisitor {
  const measure = new Measure(context.getDocument());
  return {
    OperationDefinition(node) {
      const { cost, depth } = measure.of(node.selectionSet);
      const problem =
        cost > COST_MAX
          ? `Cannot answer the query: it may ask for more than ${COST_MAX} fields; ask for shorter lists`
          : depth > DEPTH_MAX
            ? `Cannot answer the query: it is ${depth} fields deep, allowed are ${DEPTH_MAX}`
            : undefined;
      if (problem !== undefined) context.reportError(new GraphQLError(problem, { nodes: [node] }));
    },
  };
}
