package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const schema = `
CREATE TABLE IF NOT EXISTS stock (
	sku       text   PRIMARY KEY,
	received  bigint NOT NULL,
	available bigint NOT NULL CHECK (available >= 0)
);
CREATE TABLE IF NOT EXISTS reservations (
	id         text        NOT NULL,
	sku        text        NOT NULL REFERENCES stock,
	quantity   bigint      NOT NULL,
	status     text        NOT NULL,
	expires_at timestamptz NOT NULL,
	PRIMARY KEY (sku, id)
);`

// take is one statement, and so one transaction and one round trip: the row of the SKU stays locked only until its commit. A repeat
// of an id takes nothing and finds the first one's row; two at once collide on the key, and the later one fails as a whole.
const take = `
WITH repeated AS (SELECT 1 FROM reservations WHERE sku = $1 AND id = $2),
taken AS (
	UPDATE stock SET available = available - $3
	WHERE sku = $1 AND available >= $3 AND NOT EXISTS (SELECT 1 FROM repeated)
	RETURNING sku
),
recorded AS (INSERT INTO reservations SELECT $2, sku, $3, 'pending', $4 FROM taken RETURNING 1)
SELECT EXISTS (SELECT 1 FROM repeated) OR EXISTS (SELECT 1 FROM recorded)`

// postgres is a shop in PostgreSQL.
type postgres struct{ pool *pgxpool.Pool }

// newPostgres connects to SIDECART_POSTGRES_DSN with at most size connections and makes the tables.
func newPostgres(ctx context.Context, size int) (*postgres, error) {
	dsn := os.Getenv("SIDECART_POSTGRES_DSN")
	if dsn == "" {
		return nil, errors.New("SIDECART_POSTGRES_DSN is not set: it names the server as host=… port=… user=… password=… dbname=…")
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("SIDECART_POSTGRES_DSN cannot be read") // pgx's own words may repeat it, with the password
	}
	config.MaxConns, config.MinConns = int32(size), int32(size)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL: %w", err)
	}
	if _, err := pool.Exec(ctx, schema); err != nil {
		pool.Close()
		return nil, fmt.Errorf("PostgreSQL: making the tables: %w", err)
	}
	return &postgres{pool}, nil
}

func (p *postgres) put(ctx context.Context, sku string, units int64) error {
	_, err := p.pool.Exec(ctx, `INSERT INTO stock VALUES ($1, $2, $2)
		ON CONFLICT (sku) DO UPDATE SET received = excluded.received, available = excluded.available`, sku, units)
	return err
}

func (p *postgres) reserve(ctx context.Context, r reservation) error {
	var ok bool
	err := p.pool.QueryRow(ctx, take, r.SKU, r.ID, r.Quantity, r.ExpiresAt).Scan(&ok)
	if err != nil {
		return err
	}
	if !ok {
		return errSoldOut
	}
	return nil
}

// stock adds up the rows: they and the counter must say the same.
func (p *postgres) stock(ctx context.Context, sku string) (books, error) {
	b := books{SKU: sku}
	err := p.pool.QueryRow(ctx, `SELECT received, available,
		(SELECT coalesce(sum(quantity), 0)::bigint FROM reservations WHERE sku = $1) FROM stock WHERE sku = $1`, sku).
		Scan(&b.Received, &b.Available, &b.Reserved)
	if errors.Is(err, pgx.ErrNoRows) {
		return books{}, errUnknownSKU
	}
	return b, err
}

func (p *postgres) close() { p.pool.Close() }
